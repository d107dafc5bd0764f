# Toolchain file: Debian's gcc for amd64, native or as a cross compiler with the -dev packages of amd64
# beside the machine's own (scripts/install-packages cross-amd64).
set(triplet x86_64-linux-gnu)
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(CMAKE_SYSTEM_NAME Linux)
endif()
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_AR ${triplet}-gcc-ar)
set(CMAKE_RANLIB ${triplet}-gcc-ranlib)
set(CMAKE_C_LIBRARY_ARCHITECTURE ${triplet})
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${triplet}/pkgconfig:/usr/share/pkgconfig)
