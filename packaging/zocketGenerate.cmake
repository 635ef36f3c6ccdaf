# zocket_generate(TARGET <target> SCHEMA <file.zkt> [SERVER] [CLIENT]
#                 [INCLUDES <folder>...])
#
# Turns a schema into C, and adds that to <target>, which must have been made
# in the same folder: its own sources may include "<file>_server.h" with
# SERVER and "<file>_client.h" with CLIENT. INCLUDES says where imported
# schemas are looked for. The code is made anew when the schema, one that it
# imports, or the compiler changes. Each target gets its own copy, below its
# binary folder, in folders like those of the schemas: where two have one name,
# "a/<file>_server.h" says which. <target> still has to link zocket::zocket, and
# the project needs the language C.
function(zocket_generate)
  cmake_parse_arguments(PARSE_ARGV 0 arg
    "SERVER;CLIENT" "TARGET;SCHEMA" "INCLUDES")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR
      "zocket_generate: what is '${arg_UNPARSED_ARGUMENTS}'?")
  elseif(NOT arg_TARGET OR NOT arg_SCHEMA)
    message(FATAL_ERROR "zocket_generate: TARGET and SCHEMA are needed")
  elseif(NOT arg_SERVER AND NOT arg_CLIENT)
    message(FATAL_ERROR "zocket_generate: SERVER, CLIENT or both are needed")
  elseif(NOT TARGET ${arg_TARGET})
    message(FATAL_ERROR "zocket_generate: there is no target ${arg_TARGET}")
  endif()
  # No function may enable it; without it CMake would leave the code out.
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(NOT "C" IN_LIST languages)
    message(FATAL_ERROR "zocket_generate: it makes C, which this project does "
      "not have; write project(... C CXX) or enable_language(C)")
  endif()

  get_filename_component(schema "${arg_SCHEMA}" ABSOLUTE)
  get_filename_component(stem "${schema}" NAME_WLE)
  get_filename_component(folder "${schema}" DIRECTORY)
  file(RELATIVE_PATH way "${CMAKE_CURRENT_SOURCE_DIR}" "${folder}")
  string(REPLACE ".." "__" way "${way}")
  set(top "${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}.zocket")
  get_filename_component(dir "${top}/${way}" ABSOLUTE)
  get_target_property(made ${arg_TARGET} ZOCKET_GENERATED)
  if("${dir}/${stem}" IN_LIST made)
    message(FATAL_ERROR "zocket_generate: ${arg_TARGET} has the code of "
      "${arg_SCHEMA} already; one call makes SERVER and CLIENT")
  endif()
  set_property(TARGET ${arg_TARGET} APPEND
    PROPERTY ZOCKET_GENERATED "${dir}/${stem}")
  file(MAKE_DIRECTORY "${dir}")
  set(depfile "${dir}/${stem}.d")
  # Ninja wants the first of them to be the first that the depfile names.
  set(outputs "${dir}/${stem}_types.h" "${dir}/${stem}_types.c")
  set(options --depfile "${depfile}")
  foreach(side SERVER CLIENT)
    if(arg_${side})
      string(TOLOWER ${side} side)
      list(APPEND outputs "${dir}/${stem}_${side}.c" "${dir}/${stem}_${side}.h")
      list(APPEND options --c-${side} "${dir}")
    endif()
  endforeach()
  foreach(include ${arg_INCLUDES})
    get_filename_component(include "${include}" ABSOLUTE)
    list(APPEND options -I "${include}")
  endforeach()

  # zocketc leaves a file alone that would not change. Ninja takes that well;
  # make would run it again each time.
  set(touch)
  if(NOT CMAKE_GENERATOR MATCHES "Ninja")
    set(touch COMMAND "${CMAKE_COMMAND}" -E touch ${outputs})
  endif()
  get_target_property(compiler zocket::zocketc IMPORTED_LOCATION)
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND "${compiler}" ${options} "${schema}"
    ${touch}
    DEPENDS "${schema}" "${compiler}"
    DEPFILE "${depfile}"
    COMMENT "Generating C from ${arg_SCHEMA}"
    VERBATIM)
  target_sources(${arg_TARGET} PRIVATE ${outputs})
  target_include_directories(${arg_TARGET} PUBLIC
    "$<BUILD_INTERFACE:${dir}>" "$<BUILD_INTERFACE:${top}>")
endfunction()
