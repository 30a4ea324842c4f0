# install.cmake - what `cmake --install` writes below its prefix, and the target `uninstall`, which
# takes it away again. Included by CMakeLists.txt.
#
# Nothing that is installed knows the prefix: programs find one another beside themselves, and data
# by the way from bin to share. So the tree may be moved. Components are those of the Debian packages
# (deploy/package.cmake): actor, telos, play.

install(TARGETS telos-actor RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT actor)
install(TARGETS telos telos-learner RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT telos)
if(TARGET telos-play)
  install(TARGETS telos-play RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT play)
endif()
# for Python and C; no part of Debian's packages, which would want a package of its own for it
install(TARGETS telos-env LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT local
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT local)
foreach(name ${TASK_FILES})
  get_filename_component(folder ${name} DIRECTORY)
  install(FILES actor/tasks/${name} COMPONENT telos
    DESTINATION ${CMAKE_INSTALL_DATADIR}/telos/tasks/${folder})
endforeach()
install(FILES actor/tasks/README.md COMPONENT telos
  DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME tasks.md)

# ---- completion ----
set(COMPLETION ${CMAKE_SOURCE_DIR}/deploy/completion)
install(FILES ${COMPLETION}/telos.bash COMPONENT telos
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME telos)
install(FILES ${COMPLETION}/telos.fish COMPONENT telos
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
# zsh looks here below /usr/local; Debian's packages have another folder
install(FILES ${COMPLETION}/_telos COMPONENT local
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

# ---- manual pages, of the programs as they were built ----
option(TELOS_MAN "Write manual pages, which runs the programs that were built" ON)
if(TELOS_MAN AND NOT TELOS_SANITIZE)
  set(MAN ${CMAKE_BINARY_DIR}/man)
  add_custom_command(OUTPUT ${MAN}/done
    COMMAND ${CMAKE_SOURCE_DIR}/deploy/man.sh ${CMAKE_BINARY_DIR}/bin ${MAN} ${PROJECT_VERSION}
    COMMAND ${CMAKE_COMMAND} -E touch ${MAN}/done
    DEPENDS telos telos-learner telos-actor deploy/man.sh)
  add_custom_target(man ALL DEPENDS ${MAN}/done)
  # optional: who builds only the programs may install them
  set(pages DIRECTORY ${MAN}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} OPTIONAL)
  install(${pages} COMPONENT telos
    PATTERN telos-actor.* EXCLUDE PATTERN telos-play.* EXCLUDE)
  install(${pages} COMPONENT actor FILES_MATCHING PATTERN telos-actor.*)
  install(${pages} COMPONENT play FILES_MATCHING PATTERN telos-play.*)
endif()

# ---- removal ----
add_custom_target(uninstall
  COMMAND ${CMAKE_SOURCE_DIR}/deploy/uninstall.sh ${CMAKE_BINARY_DIR}/install_manifest.txt)
