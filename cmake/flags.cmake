# Warning, hardening and sanitizer flags. A test compile decides, not the compiler's version.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_compile_definitions(_GNU_SOURCE VERSION="${PROJECT_VERSION}")
include_directories(${CMAKE_SOURCE_DIR}/src)

function(add_if_known)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
    check_c_compiler_flag("${flag}" ${known})
    if(${known})
      add_compile_options("${flag}")
    endif()
  endforeach()
endfunction()

function(link_if_known)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "LINK${flag}" known)
    check_linker_flag(C "${flag}" ${known})
    if(${known})
      add_link_options("${flag}")
    endif()
  endforeach()
endfunction()

add_if_known(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-align -Wcast-qual
  -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wdouble-promotion -Wimplicit-fallthrough
  -Wnull-dereference -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
  -Wtrampolines -Wbidi-chars=any)
if(WERROR)
  add_compile_options(-Werror)
endif()

# The same bytes from two build directories.
# The last one that fits wins.
add_if_known(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)

# The file system layer has 64-bit offsets on every machine.
add_compile_definitions(_FILE_OFFSET_BITS=64)

if(HARDENING)
  add_compile_options(-g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  add_if_known(-fstack-protector-strong -fstack-clash-protection -fno-strict-overflow
    -fno-strict-aliasing -fno-delete-null-pointer-checks -ftrivial-auto-var-init=zero
    -fstrict-flex-arrays=3)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|i.86")
    add_if_known(-fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    add_if_known(-mbranch-protection=standard)
  endif()
  add_link_options(-pie -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
  link_if_known(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,-z,nodlopen
    -Wl,--as-needed -Wl,--gc-sections -Wl,-z,pack-relative-relocs)
  # Nothing unwinds a C program at run time; a debugger reads .debug_frame.
  add_if_known(-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables)
endif()

if(SANITIZE)
  add_compile_options(-fsanitize=${SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${SANITIZE})
  if(SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()

if(FUZZ)
  # Every object is instrumented; only the targets in tests/fuzz get libFuzzer's main.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
