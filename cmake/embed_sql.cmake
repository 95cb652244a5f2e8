# cmake -DDIRECTORY=... -DOUT=... -P embed_sql.cmake: writes a C file with every NNNN_*.sql of the directory, in order.
file(GLOB files ${DIRECTORY}/[0-9]*_*.sql)
list(SORT files)
set(arrays)
set(rows)
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(REGEX MATCH "^[0-9]+" number ${name})
    math(EXPR value "1${number} - 10000")
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND arrays "static const char sql_${number}[] = {${bytes}0};\n")
    string(APPEND rows "    {${value}, \"${name}\", sql_${number}},\n")
endforeach()
file(WRITE ${OUT} "#include \"controlplane/migrations/migrations.h\"\n\n${arrays}\n"
    "const struct migration migrations[] = {\n${rows}};\n"
    "const size_t migrations_count = sizeof migrations / sizeof migrations[0];\n")
