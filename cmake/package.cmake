# What is installed (make install), and the Debian package (make package).
#
# Components: program, docs; debian has what only belongs into the package (/etc, the policy files).
# deploy/ is not there in the image's build, which takes the component program alone.
install(TARGETS volume-uploader volume-uploader-lab RUNTIME DESTINATION bin COMPONENT program)

set(deploy ${CMAKE_SOURCE_DIR}/deploy)
if(NOT EXISTS ${deploy}/systemd)
  return()
endif()

# Debian wants pages and changelogs compressed; -n leaves the time out, for the same bytes each time.
find_program(GZIP gzip)
set(compressed)
function(install_compressed source name destination component)
  set(target ${CMAKE_BINARY_DIR}/compressed/${name}.gz)
  add_custom_command(OUTPUT ${target} COMMAND sh -c "'${GZIP}' -9nc '${source}' >'${target}'"
    DEPENDS ${source} VERBATIM)
  set(compressed ${compressed} ${target} PARENT_SCOPE)
  install(FILES ${target} DESTINATION ${destination} COMPONENT ${component}
    PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ ${ARGN})
endfunction()

if(GZIP)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/compressed)
  file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/man/*.1)
  foreach(page IN LISTS pages)
    get_filename_component(name ${page} NAME)
    install_compressed(${page} ${name} share/man/man1 docs)
  endforeach()
  set(doc share/doc/volume-uploader)
  install_compressed(${CMAKE_SOURCE_DIR}/CHANGELOG.md changelog ${doc} debian EXCLUDE_FROM_ALL)
  install_compressed(${deploy}/debian/changelog changelog.Debian ${doc} debian EXCLUDE_FROM_ALL)
  add_custom_target(compressed ALL DEPENDS ${compressed})
endif()

set(completion ${CMAKE_SOURCE_DIR}/deploy/completion)
install(FILES ${completion}/volume-uploader.bash RENAME volume-uploader
  DESTINATION share/bash-completion/completions COMPONENT docs)
install(FILES ${completion}/volume-uploader.fish
  DESTINATION share/fish/vendor_completions.d COMPONENT docs)
install(FILES ${completion}/_volume-uploader
  DESTINATION share/zsh/vendor-completions COMPONENT docs)
install(FILES ${deploy}/systemd/volume-uploader.service
  DESTINATION lib/systemd/system COMPONENT program)
install(FILES ${deploy}/debian/copyright DESTINATION share/doc/volume-uploader
  COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${deploy}/debian/lintian-overrides RENAME volume-uploader
  DESTINATION share/lintian/overrides COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${deploy}/systemd/volume-uploader.env RENAME volume-uploader
  DESTINATION /etc/default COMPONENT debian EXCLUDE_FROM_ALL)

if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE amd64)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON) # /etc/default is no part of the prefix, which scripts/package makes /usr
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
  GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL program docs debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_NAME volume-uploader)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "volume-uploader maintainers <maintainers@volume-uploader.invalid>")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "durable upload of a Kelvin time-series stream to Databricks")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Subscribes to the stream of a Kelvin cluster, keeps every reading on disk
within 50 milliseconds, writes sorted Parquet files and puts each of them
exactly once into a Unity Catalog volume. A Databricks job loads the volume
into a Delta table.
.
Receiving never waits for Databricks: while the workspace is away, readings
gather on disk, and they are delivered without help when it is back.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${deploy}/debian/conffiles ${deploy}/debian/postinst
  ${deploy}/debian/prerm ${deploy}/debian/postrm)
include(CPack)
