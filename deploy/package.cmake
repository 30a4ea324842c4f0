# package.cmake - Debian packages: cpack -G DEB, in the build folder. Included by CMakeLists.txt.
#
#   telos-actor  the actor alone: a machine of a fleet needs nothing else, least of all OpenBLAS or
#                MPI; a task comes from the learner
#   telos        telos, telos-learner, tasks and completion; on telos-actor of the same version
#   telos-play   drawing, for which OpenGL and LLVM are needed (about 120 MB)
#
# The libraries they depend on, with their versions, are what dpkg-shlibdeps finds. What is built in,
# oneDNN or Open MPI, follows from the machine: see TELOS_ONEDNN, TELOS_MPI, and README,
# "Dependencies". Programs need the packages of the Debian on which they were built.
set(TELOS_MAINTAINER "Telos maintainers <telos@packages.invalid>" CACHE STRING
  "Who answers for the packages: Name <address>")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME telos)
set(CPACK_PACKAGE_VENDOR Telos)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${TELOS_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL actor telos)
if(TARGET telos-play)
  list(APPEND CPACK_COMPONENTS_ALL play)
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(version "${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
set(cpu "The programs need a CPU with AVX2 and FMA (x86-64-v3).")

set(CPACK_DEBIAN_ACTOR_PACKAGE_NAME telos-actor)
set(CPACK_DEBIAN_ACTOR_DESCRIPTION "actor of Telos, which trains policies that reach goals in MuJoCo
An actor computes the episodes that a learner asks for, over the network, on as
many cores as it is given. Settings, task and policy come from the learner, so
this package is all that a machine of a fleet needs.
.
${cpu}")
set(CPACK_DEBIAN_TELOS_PACKAGE_NAME telos)
set(CPACK_DEBIAN_TELOS_PACKAGE_DEPENDS "telos-actor (= ${version})")
set(CPACK_DEBIAN_TELOS_PACKAGE_SUGGESTS
  "telos-play (= ${version}), gnuplot-nox, libmujoco-samples")
set(CPACK_DEBIAN_TELOS_DESCRIPTION "trains policies that reach goals in MuJoCo
Goal-conditioned reinforcement learning by outcome-driven actor-critic and
other update rules, on one machine or by a fleet of actors. The same seed
gives the same policy, bit for bit, however many actors run. With ready tasks;
another one is a single MJCF file.
.
${cpu}")
set(CPACK_DEBIAN_PLAY_PACKAGE_NAME telos-play)
set(CPACK_DEBIAN_PLAY_PACKAGE_DEPENDS "telos (= ${version})")
set(CPACK_DEBIAN_PLAY_PACKAGE_SUGGESTS ffmpeg)
set(CPACK_DEBIAN_PLAY_DESCRIPTION "draws what policies of Telos do
Draws episodes of a policy or of a task as animated pictures or single ones,
without a display. It is a package of its own for the size of what it needs:
OpenGL in software, and the compiler in it.
.
${cpu}")

# ---- what Debian wants to be told in each package ----
# the date of the changelog is that of the commit, or of the archive: one tree, one package
set(DEBIAN ${CMAKE_BINARY_DIR}/debian)
file(MAKE_DIRECTORY ${DEBIAN})
set(stamp $ENV{SOURCE_DATE_EPOCH})
if(NOT stamp AND GIT_FOUND AND EXISTS ${CMAKE_SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT_EXECUTABLE} log -1 --format=%ct WORKING_DIRECTORY
    ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE stamp ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(NOT stamp)
  file(TIMESTAMP ${CMAKE_SOURCE_DIR}/CHANGELOG.md stamp %s UTC)
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C date -u -R -d @${stamp}
  OUTPUT_VARIABLE CHANGELOG_DATE OUTPUT_STRIP_TRAILING_WHITESPACE)
set(CHANGELOG_VERSION ${version})
find_program(GZIP gzip REQUIRED)
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} COMPONENT)
  set(CHANGELOG_PACKAGE ${CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME})
  set(doc ${CMAKE_INSTALL_DATADIR}/doc/${CHANGELOG_PACKAGE})
  set(files ${DEBIAN}/${CHANGELOG_PACKAGE})
  configure_file(deploy/debian/changelog.in ${files}/changelog.Debian @ONLY)
  configure_file(deploy/debian/overrides.in ${files}/overrides @ONLY)
  configure_file(CHANGELOG.md ${files}/changelog COPYONLY)
  execute_process(COMMAND ${GZIP} -9nf ${files}/changelog.Debian ${files}/changelog)
  # packages alone have these
  install(FILES deploy/debian/copyright ${files}/changelog.Debian.gz ${files}/changelog.gz
    DESTINATION ${doc} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${files}/overrides COMPONENT ${component} EXCLUDE_FROM_ALL
    DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME ${CHANGELOG_PACKAGE})
endforeach()
install(FILES ${COMPLETION}/_telos COMPONENT telos
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions EXCLUDE_FROM_ALL)

include(CPack)
