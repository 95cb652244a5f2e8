# sluice_library(DIR USES dir... EXTERNAL target...): one static library from every .c file in DIR (not below),
# from every .proto in it through protobuf-c, from NNNN_*.sql as embedded texts, and from *.model through its embed.py. Its name is the path with underscores: dataplane/log is
# sluice_dataplane_log.
find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(MHD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
find_package(PostgreSQL REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
find_program(PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

function(sluice_library directory)
    cmake_parse_arguments(ARG "" "" "USES;EXTERNAL" ${ARGN})
    string(REPLACE "/" "_" name ${directory})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/*.c)
    file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/*.proto)
    set(generated)
    foreach(proto ${protos})
        get_filename_component(stem ${proto} NAME_WE)
        set(out ${CMAKE_BINARY_DIR}/generated/${directory}/${stem}.pb-c)
        add_custom_command(OUTPUT ${out}.c ${out}.h
            COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated/${directory}
            COMMAND ${PROTOC_C} -I${CMAKE_SOURCE_DIR} --c_out=${CMAKE_BINARY_DIR}/generated ${proto}
            DEPENDS ${proto} VERBATIM)
        set_source_files_properties(${out}.c PROPERTIES COMPILE_OPTIONS "-w")
        list(APPEND generated ${out}.c ${out}.h)
    endforeach()
    file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/[0-9]*_*.sql)
    if(migrations)
        set(out ${CMAKE_BINARY_DIR}/generated/${directory}/migrations.c)
        add_custom_command(OUTPUT ${out}
            COMMAND ${CMAKE_COMMAND} -DDIRECTORY=${CMAKE_SOURCE_DIR}/${directory} -DOUT=${out}
                -P ${CMAKE_SOURCE_DIR}/cmake/embed_sql.cmake
            DEPENDS ${migrations} ${CMAKE_SOURCE_DIR}/cmake/embed_sql.cmake VERBATIM)
        list(APPEND generated ${out})
    endif()
    file(GLOB models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/*.model)
    foreach(model ${models})
        get_filename_component(stem ${model} NAME)
        set(out ${CMAKE_BINARY_DIR}/generated/${directory}/${stem})
        set(scripts ${CMAKE_SOURCE_DIR}/${directory}/embed.py ${CMAKE_SOURCE_DIR}/${directory}/model_text.py)
        add_custom_command(OUTPUT ${out}.c ${out}.h
            COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated/${directory}
            COMMAND ${PYTHON3} -B ${CMAKE_SOURCE_DIR}/${directory}/embed.py ${model} ${out}.c ${out}.h
            DEPENDS ${model} ${scripts} VERBATIM)
        list(APPEND generated ${out}.c ${out}.h)
    endforeach()
    if(NOT sources AND NOT generated)
        return() # a plane whose first file is still to come
    endif()
    add_library(sluice_${name} STATIC ${sources} ${generated})
    target_link_libraries(sluice_${name} PUBLIC sluice_options ${ARG_EXTERNAL})
    foreach(used ${ARG_USES})
        string(REPLACE "/" "_" used_name ${used})
        target_link_libraries(sluice_${name} PUBLIC $<TARGET_NAME_IF_EXISTS:sluice_${used_name}>)
    endforeach()
endfunction()

# sluice_daemon(NAME DIR USES dir...): an executable from DIR/main.c and the library of DIR.
function(sluice_daemon name directory)
    if(EXISTS ${CMAKE_SOURCE_DIR}/${directory}/main/main.c)
        string(REPLACE "/" "_" library ${directory})
        file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/main/*.c)
        add_executable(${name} ${sources})
        target_link_libraries(${name} PRIVATE sluice_${library})
    endif()
endfunction()
