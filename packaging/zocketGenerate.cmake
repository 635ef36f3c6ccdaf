# zocket_generate(TARGET <target> SCHEMA <file.zkt> [SERVER] [CLIENT]
#                 [INCLUDES <folder>...])
#
# Turns a schema into C, and adds that to <target>, which must have been made
# in the same folder: its own sources may include "<file>_server.h" with
# SERVER and "<file>_client.h" with CLIENT. INCLUDES says where imported
# schemas are looked for. The code is made anew when the schema, one that it
# imports, or the compiler changes. Each target gets its own copy, below its
# binary folder; <target> still has to link zocket::zocket.
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

  get_filename_component(schema "${arg_SCHEMA}" ABSOLUTE)
  get_filename_component(stem "${schema}" NAME_WLE)
  set(dir "${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}.zocket")
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
  target_include_directories(${arg_TARGET} PUBLIC "$<BUILD_INTERFACE:${dir}>")
endfunction()
