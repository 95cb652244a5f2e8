# One INTERFACE target carries warnings, definitions and hardening to every target of ours.
add_library(sluice_options INTERFACE)
target_include_directories(sluice_options INTERFACE ${CMAKE_SOURCE_DIR})
# As system headers: what protoc-c writes casts away const in its macros.
target_include_directories(sluice_options SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(sluice_options INTERFACE _GNU_SOURCE SLUICE_VERSION="${PROJECT_VERSION}")
target_compile_options(sluice_options INTERFACE
    -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings
    -Wformat=2 -Wvla -Wundef -Wcast-qual -Wswitch-enum -Wno-unused-parameter -Wno-format-zero-length -Werror
    -fno-strict-aliasing -fno-omit-frame-pointer)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(sluice_options INTERFACE -Wlogical-op -Wduplicated-cond)
else()
    target_compile_options(sluice_options INTERFACE -Wmissing-variable-declarations)
endif()
if(SLUICE_SLOW_CHECKS)
    target_compile_definitions(sluice_options INTERFACE SLUICE_SLOW_CHECKS)
endif()
if(SLUICE_SANITIZE)
    target_compile_options(sluice_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
    target_link_options(sluice_options INTERFACE -fsanitize=address,undefined)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(sluice_options INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
endif()
if(SLUICE_FUZZ)
    target_compile_options(sluice_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
