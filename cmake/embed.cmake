# embed(TARGET FILE NAME): FILE, as gzip makes it small, as `const unsigned char NAME[]` and `NAME_bytes`
# in TARGET, made at build time by CMake itself. In script mode (cmake -P) this file does the work.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)"
    "\\1\n" bytes "${bytes}")
  file(WRITE ${OUT} "#include <stddef.h>\n\nextern const unsigned char ${NAME}[];\n"
    "extern const size_t ${NAME}_bytes;\n\nconst unsigned char ${NAME}[] = {\n${bytes}\n};\n"
    "const size_t ${NAME}_bytes = sizeof(${NAME});\n")
  return()
endif()

set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
find_program(GZIP gzip REQUIRED)

function(embed target file name)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND sh -c "'${GZIP}' -9nc '${CMAKE_CURRENT_SOURCE_DIR}/${file}' >'${out}.gz'"
    COMMAND ${CMAKE_COMMAND} -DFILE=${out}.gz -DOUT=${out} -DNAME=${name}
      -P ${EMBED_SCRIPT}
    DEPENDS ${file} ${EMBED_SCRIPT} VERBATIM
    COMMENT "Embedding ${file}")
  target_sources(${target} PRIVATE ${out})
endfunction()
