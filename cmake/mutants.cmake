# sluice_daemon_mutants(PREFIX TABLE): a router or node for each mutant of a table (a mutants.py with `list` and `make`), in a directory of
# its own, ./mutants/NAME, under the name of the original. Targets PREFIX-mutant-NAME-DAEMON; built only when asked for.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB main_of_router ${CMAKE_SOURCE_DIR}/api/router/main/*.c)
file(GLOB main_of_node ${CMAKE_SOURCE_DIR}/dataplane/node/main/*.c)
set(library_of_router sluice_api_router)
set(library_of_node sluice_dataplane_node)

function(sluice_daemon_mutants prefix mutants_py)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${mutants_py})
    execute_process(COMMAND ${Python3_EXECUTABLE} -B ${mutants_py} list OUTPUT_VARIABLE mutants
        COMMAND_ERROR_IS_FATAL ANY OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REPLACE "\n" ";" mutants "${mutants}")
    foreach(mutant ${mutants})
        string(REPLACE " " ";" mutant ${mutant})
        list(GET mutant 0 name)
        list(GET mutant 1 file)
        list(GET mutant 2 daemons)
        set(directory ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name})
        set(broken ${directory}/broken.c)
        add_custom_command(OUTPUT ${broken}
            COMMAND ${CMAKE_COMMAND} -E make_directory ${directory}
            COMMAND ${Python3_EXECUTABLE} -B ${mutants_py} make ${name} ${CMAKE_SOURCE_DIR}/${file} ${broken}
            DEPENDS ${mutants_py} ${CMAKE_SOURCE_DIR}/${file} VERBATIM)
        set_source_files_properties(${broken} PROPERTIES COMPILE_OPTIONS "-w")
        string(REPLACE "," ";" daemons ${daemons})
        foreach(daemon ${daemons})
            # The broken copy comes before the libraries, so the linker never takes the original out of them.
            set(target ${prefix}-mutant-${name}-${daemon})
            add_executable(${target} EXCLUDE_FROM_ALL ${main_of_${daemon}} ${broken})
            target_link_libraries(${target} PRIVATE ${library_of_${daemon}})
            set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${directory} OUTPUT_NAME sluice-${daemon})
        endforeach()
    endforeach()
endfunction()
