# Tests by label: unit, integration, race, fuzz (corpus replay), bench, lint, tidy. Included by
# CMakeLists.txt. A test's name is label.file, for example unit.test_mlp.

set(BAD_OUTPUT "(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
set(TEST_ENVIRONMENT
  OPENBLAS_NUM_THREADS=1 TELOS_BIN=${CMAKE_BINARY_DIR}/bin TELOS_SOURCE=${CMAKE_SOURCE_DIR}
  TELOS_MUJOCO_LIBRARY=${MUJOCO_LIBRARY} TELOS_MUJOCO_INCLUDE=${MUJOCO_INCLUDE}
  TELOS_TEST_TMP=${CMAKE_BINARY_DIR}/tmp UBSAN_OPTIONS=print_stacktrace=1
  "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp ignore_noninstrumented_modules=1")

# telos_check(NAME label.name LABEL unit TIMEOUT 120 COMMAND ...): one ctest test
function(telos_check)
  cmake_parse_arguments(T "" "NAME;LABEL;TIMEOUT" "COMMAND" ${ARGN})
  add_test(NAME ${T_NAME} COMMAND ${T_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  # Criterion exits 0 although LeakSanitizer reports in its worker: the output decides too.
  # 77 is a visible skip: a tool that the check needs is not installed.
  set_tests_properties(${T_NAME} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT}
    FAIL_REGULAR_EXPRESSION "${BAD_OUTPUT}" SKIP_RETURN_CODE 77 ENVIRONMENT "${TEST_ENVIRONMENT}")
endfunction()

# telos_test(test_x LABEL unit TIMEOUT 120 LIBS learner): tests/<label>/test_x.c.
# PLAIN: a program of its own, without Criterion.
function(telos_test name)
  cmake_parse_arguments(T "PLAIN" "LABEL;TIMEOUT" "LIBS;SOURCES;ARGS" ${ARGN})
  add_executable(${name} tests/${T_LABEL}/${name}.c ${T_SOURCES})
  target_link_libraries(${name} PRIVATE ${T_LIBS})
  if(NOT T_PLAIN)
    target_link_libraries(${name} PRIVATE PkgConfig::CRITERION)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  telos_check(NAME ${T_LABEL}.${name} LABEL ${T_LABEL} TIMEOUT ${T_TIMEOUT}
    COMMAND ${name} ${T_ARGS})
endfunction()

# telos_integration(test_x TIMEOUT 600): real processes; one Criterion test of the file at a time
function(telos_integration name)
  cmake_parse_arguments(T "" "TIMEOUT" "" ${ARGN})
  telos_test(${name} LABEL integration TIMEOUT ${T_TIMEOUT} LIBS learner actor
    SOURCES tests/integration/harness.c tests/integration/proxy.c ARGS --jobs 1)
  add_dependencies(${name} ${PROGRAMS} telos-actor-perturbed telos-actor-silent-dns tasks)
endfunction()

# telos_fuzz(wire MUTATIONS 2048 LIBS proto): tests/fuzz/fuzz_wire.c on tests/fuzz/corpus/wire.
# Everywhere a program that replays the corpus; with TELOS_LIBFUZZER the fuzzer itself. A
# make_wire_corpus.c beside it writes the seeds that are not text.
function(telos_fuzz name)
  cmake_parse_arguments(T "" "MUTATIONS" "LIBS" ${ARGN})
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/fuzz/make_${name}_corpus.c)
    add_executable(make_${name}_corpus tests/fuzz/make_${name}_corpus.c)
    target_link_libraries(make_${name}_corpus PRIVATE ${T_LIBS})
    set_target_properties(make_${name}_corpus PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endif()
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  add_executable(fuzz_${name} tests/fuzz/fuzz_${name}.c)
  target_link_libraries(fuzz_${name} PRIVATE ${T_LIBS})
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  if(TELOS_LIBFUZZER)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set(arguments -runs=0 ${corpus})
  else()
    target_sources(fuzz_${name} PRIVATE tests/fuzz/replay_main.c)
    set(arguments ${corpus} ${T_MUTATIONS})
  endif()
  telos_check(NAME fuzz.${name} LABEL fuzz TIMEOUT 300 COMMAND fuzz_${name} ${arguments})
endfunction()

# telos_bench(update LIBS learner): tests/bench/bench_update.c -> build/<preset>/bench/bench_update.
# SHARED x: with tests/bench/x.c. LAUNCH: what starts it.
function(telos_bench name)
  cmake_parse_arguments(T "" "" "LIBS;LINK_OPTIONS;SHARED;LAUNCH" ${ARGN})
  list(TRANSFORM T_SHARED REPLACE "(.+)" "tests/bench/\\1.c")
  add_executable(bench_${name} tests/bench/bench_${name}.c ${T_SHARED})
  target_link_libraries(bench_${name} PRIVATE ${T_LIBS})
  target_link_options(bench_${name} PRIVATE ${T_LINK_OPTIONS})
  set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  telos_check(NAME bench.${name} LABEL bench TIMEOUT 600
    COMMAND ${T_LAUNCH} $<TARGET_FILE:bench_${name}>)
  set_tests_properties(bench.${name} PROPERTIES RUN_SERIAL ON)
endfunction()

# ---- lint ----
telos_check(NAME lint.layers LABEL lint TIMEOUT 60 COMMAND tests/check_layers.sh)
telos_check(NAME lint.layers_self_test LABEL lint TIMEOUT 60
  COMMAND tests/check_layers.sh --self-test)
telos_check(NAME lint.format LABEL lint TIMEOUT 120 COMMAND tests/check_format.sh)
telos_check(NAME lint.shell LABEL lint TIMEOUT 60 COMMAND tests/check_shell.sh)
# only a learner needs libraries for products, and the threads that one starts before main
telos_check(NAME lint.blas_links LABEL lint TIMEOUT 60
  COMMAND sh -c "! ldd $<TARGET_FILE:telos-actor> $<TARGET_FILE:telos> | grep -E 'blas|dnnl|gomp'")
# nor does anything but a learner need MPI
telos_check(NAME lint.mpi_links LABEL lint TIMEOUT 60
  COMMAND sh -c "! ldd $<TARGET_FILE:telos-actor> $<TARGET_FILE:telos> | grep libmpi")
# what an actor has to know of the settings comes as numbers: it reads no YAML
telos_check(NAME lint.yaml_links LABEL lint TIMEOUT 60
  COMMAND sh -c "! ldd $<TARGET_FILE:telos-actor> | grep yaml")
# nothing but telos-play draws: OpenGL and its compiler stay out of actors and their images
if(TARGET telos-play)
  set(gl "-i -E 'osmesa|libgl|libegl|llvm|libpng|libwebp'")
  telos_check(NAME lint.play_links LABEL lint TIMEOUT 60
    COMMAND sh -c "ldd $<TARGET_FILE:telos-play> | grep -q ${gl} && \
! ldd $<TARGET_FILE:telos-play> | grep blas && \
! ldd $<TARGET_FILE:telos> $<TARGET_FILE:telos-actor> $<TARGET_FILE:telos-learner> | grep ${gl}")
endif()
# libtelos-env is loaded into other programs: it shows its own names alone, and needs no more than
# a policy and a task do
if(NOT TELOS_LIBFUZZER)  # which adds names of its own
  telos_check(NAME lint.env_library LABEL lint TIMEOUT 60
    COMMAND sh -c "nm -D --defined-only $<TARGET_FILE:telos-env> | grep -q ' T telos_env_load$' && \
! nm -D --defined-only $<TARGET_FILE:telos-env> | grep -v -E ' T telos_| _edata$| _end$| __bss_start$' && \
! ldd $<TARGET_FILE:telos-env> | grep -E 'blas|dnnl|gomp|mpi|zmq|protobuf|libuv'")
endif()
telos_check(NAME lint.readme LABEL lint TIMEOUT 60
  COMMAND tests/check_readme.sh $<TARGET_FILE:telos>)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND NOT TELOS_SANITIZE)
  telos_check(NAME tidy.tree LABEL tidy TIMEOUT 900
    COMMAND tests/check_tidy.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(tidy.tree PROPERTIES RUN_SERIAL ON)
endif()

# ---- race: the only tests under ThreadSanitizer, where Criterion cannot start ----
telos_test(race_queue PLAIN LABEL race TIMEOUT 300 LIBS nn)
telos_test(race_crew PLAIN LABEL race TIMEOUT 300 LIBS learner)
telos_test(race_env PLAIN LABEL race TIMEOUT 300 LIBS telos-env base)
add_dependencies(race_env tasks)
telos_test(race_client PLAIN LABEL race TIMEOUT 300 LIBS learner actor)
telos_test(race_fleet PLAIN LABEL race TIMEOUT 300 LIBS learner actor)
if(TELOS_SANITIZE MATCHES "thread")
  return()
endif()

# ---- unit ----
foreach(t test_base test_demos test_number test_words test_csv test_options test_shell test_rng test_config
          test_metrics test_limit test_episode test_evaluation test_tfrecord)
  telos_test(${t} LABEL unit TIMEOUT 120 LIBS base)
endforeach()
foreach(t test_policy test_policy_file test_safetensors)
  telos_test(${t} LABEL unit TIMEOUT 120 LIBS nn)
endforeach()
telos_test(test_mj LABEL unit TIMEOUT 120 LIBS task)
telos_test(test_wire LABEL unit TIMEOUT 120 LIBS proto)
telos_test(test_event_file LABEL unit TIMEOUT 120 LIBS proto)
telos_test(test_zpoll LABEL unit TIMEOUT 120 LIBS proto)
telos_test(test_link LABEL unit TIMEOUT 120 LIBS proto)
telos_test(test_keyfile LABEL unit TIMEOUT 120 LIBS proto)
telos_test(test_zap LABEL unit TIMEOUT 120 LIBS proto)
foreach(t test_compile test_tether test_env test_goal test_trial test_task test_tasks
          test_bad_tasks test_task_readme test_task_ant test_task_box2d test_task_gym
          test_task_sawyer_push test_task_tendon_arm test_script test_rollout test_desk test_pool
          test_download test_backoff test_handshake)
  telos_test(${t} LABEL unit TIMEOUT 300 LIBS actor)
endforeach()
telos_test(test_lookup LABEL unit TIMEOUT 60 LIBS actor)
target_link_options(test_lookup PRIVATE -Wl,--wrap=getaddrinfo,--wrap=freeaddrinfo)
foreach(t test_task_faucet test_task_window)
  telos_test(${t} LABEL unit TIMEOUT 300 LIBS actor SOURCES tests/unit/sawyer.c)
endforeach()
foreach(t test_crew test_rows test_gemm test_mlp test_adam test_replay test_goals test_scaling
          test_agent test_outcome test_discriminator test_reward test_backup
          test_rules test_heads test_context test_known test_inference test_mpo test_drive test_odac test_tabular
          test_theorems test_units test_segments test_fold
          test_checkpoint)
  telos_test(${t} LABEL unit TIMEOUT 300 LIBS learner)
endforeach()
telos_test(test_memory LABEL unit TIMEOUT 120 LIBS learner)
telos_test(test_ledger LABEL unit TIMEOUT 600 LIBS learner)
foreach(t test_publisher test_fleet test_report test_web test_progress test_tensorboard)
  telos_test(${t} LABEL unit TIMEOUT 120 LIBS learner)
endforeach()
telos_test(test_gate LABEL unit TIMEOUT 300 LIBS learner)
target_link_options(test_gate PRIVATE -Wl,--wrap=allowed_find)
telos_test(test_telos_env LABEL unit TIMEOUT 300 LIBS telos-env actor)
add_dependencies(test_telos_env tasks)
foreach(t test_task_fetch_push test_rundir test_peers test_trainer)
  telos_test(${t} LABEL unit TIMEOUT 300 LIBS learner actor)
endforeach()
foreach(t test_sweep_plan test_sweep_stats test_sweep_table test_plot_data)
  telos_test(${t} LABEL unit TIMEOUT 120 LIBS launch)
endforeach()
target_link_options(test_trainer PRIVATE
  -Wl,--wrap=updater_prepare,--wrap=replay_sample,--wrap=outcome_loglik,--wrap=mlp_forward,--wrap=rng_init)

# ranks are threads of the test
telos_test(test_team LABEL unit TIMEOUT 120 LIBS learner SOURCES tests/unit/ranks_memory.c)
target_link_options(test_team PRIVATE -Wl,--wrap=gemm_kernel,--wrap=gemm_init)

telos_test(test_ranks_none LABEL unit TIMEOUT 60 LIBS base SOURCES learner/ranks/ranks_none.c)

# ---- fuzz ----
# a task costs the compilation of a model and YAML a parser, so their files get fewer mutations
telos_fuzz(config MUTATIONS 512 LIBS base)
telos_fuzz(wire MUTATIONS 2048 LIBS proto)
telos_fuzz(keyfile MUTATIONS 2048 LIBS proto)
telos_fuzz(zap MUTATIONS 2048 LIBS proto)
telos_fuzz(http MUTATIONS 512 LIBS proto)
telos_fuzz(safetensors MUTATIONS 2048 LIBS nn)
telos_fuzz(tfrecord MUTATIONS 2048 LIBS base)
telos_fuzz(mjcf MUTATIONS 512 LIBS task)
telos_fuzz(task MUTATIONS 16 LIBS task)

# ---- integration ----
# an actor whose every episode is wrong in one bit: what the audit has to find
add_executable(telos-actor-perturbed actor/main.c tests/integration/perturbed.c)
target_link_libraries(telos-actor-perturbed PRIVATE actor)
target_link_options(telos-actor-perturbed PRIVATE -Wl,--wrap=rollout_run)
# one for which the network's name server is silent
add_executable(telos-actor-silent-dns actor/main.c tests/integration/silent_dns.c)
target_link_libraries(telos-actor-silent-dns PRIVATE actor)
set_target_properties(telos-actor-perturbed telos-actor-silent-dns PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
telos_check(NAME integration.run_script LABEL integration TIMEOUT 120 COMMAND tests/check_run.sh)
telos_check(NAME integration.metrics LABEL integration TIMEOUT 120
  COMMAND tests/check_metrics.sh ${CMAKE_BINARY_DIR}/bin)
telos_check(NAME integration.page LABEL integration TIMEOUT 300
  COMMAND tests/check_page.sh ${CMAKE_BINARY_DIR}/bin)
telos_check(NAME integration.setup_script LABEL integration TIMEOUT 60 COMMAND tests/check_setup.sh)
telos_check(NAME integration.suite_script LABEL integration TIMEOUT 60
  COMMAND tests/check_suite.sh)
telos_check(NAME integration.install LABEL integration TIMEOUT 300
  COMMAND tests/check_install.sh ${CMAKE_BINARY_DIR})
if(NOT TELOS_SANITIZE)
  telos_check(NAME integration.package LABEL integration TIMEOUT 300
    COMMAND tests/check_package.sh ${CMAKE_BINARY_DIR})
  telos_check(NAME lint.package LABEL lint TIMEOUT 300
    COMMAND tests/check_package.sh ${CMAKE_BINARY_DIR} lintian)
endif()
telos_integration(test_harness TIMEOUT 120)
telos_integration(test_task_verb TIMEOUT 300)
telos_integration(test_commands TIMEOUT 900)
telos_integration(test_sweep TIMEOUT 300)
telos_integration(test_export TIMEOUT 300)
telos_integration(test_runs TIMEOUT 300)
telos_integration(test_results TIMEOUT 900)
# every rule, three times: most of ten minutes under the address sanitizer
telos_integration(test_determinism_rules TIMEOUT 1800)
foreach(t test_record test_determinism
          test_train test_train_tasks test_bad_input test_damaged_runs
          test_messages test_sizes test_report_lines test_chaos test_disk test_signals test_encryption test_health test_hosts
          test_fleet_verb test_hostile test_pause)
  telos_integration(${t} TIMEOUT 900)
endforeach()
if(TELOS_SANITIZE)
  target_compile_definitions(test_sizes PRIVATE TELOS_SANITIZED)
endif()
find_program(MPIRUN mpirun)
if(MPIRUN AND TELOS_MPI AND OMPI_FOUND)
  telos_integration(test_ranks TIMEOUT 900)
else()
  telos_check(NAME integration.test_ranks LABEL integration TIMEOUT 10
    COMMAND sh -c "echo 'skipped: mpirun, or a build with MPI, is missing'; exit 77")
endif()
if(TARGET telos-play)
  telos_integration(test_play TIMEOUT 900)
  target_link_libraries(test_play PRIVATE PkgConfig::PNG)
endif()
telos_check(NAME integration.tensorboard_python LABEL integration TIMEOUT 300
  COMMAND sh -c "if ! command -v python3 >/dev/null
then
  echo skipped: python3 is not installed
  exit 77
fi
exec python3 tests/check_tensorboard.py ${CMAKE_BINARY_DIR}/bin")
telos_test(policy_python PLAIN LABEL integration TIMEOUT 120 LIBS nn)
telos_test(export_python PLAIN LABEL integration TIMEOUT 120 LIBS task nn
  SOURCES tests/integration/for_python.c)
add_dependencies(export_python telos tasks)
# an interpreter that is not built with a sanitizer cannot load a library that is
if(NOT TELOS_SANITIZE)
  telos_test(env_python PLAIN LABEL integration TIMEOUT 600 LIBS task nn
    SOURCES tests/integration/for_python.c)
  add_dependencies(env_python telos-env tasks)
  set_property(TEST integration.env_python APPEND PROPERTY ENVIRONMENT
    TELOS_ENV_LIBRARY=$<TARGET_FILE:telos-env>)
endif()

# ---- bench: not part of the default presets ----
if(NOT TELOS_SANITIZE)
  foreach(b replay ledger memory crew)
    telos_bench(${b} LIBS learner)
  endforeach()
  telos_bench(update LIBS learner LINK_OPTIONS
    -Wl,--wrap=gemm_nt,--wrap=gemm_nn,--wrap=gemm_tn,--wrap=gemm_layer,--wrap=gemm_layer_relu,--wrap=gemm_layer_back)
  telos_bench(actor LIBS actor)
  telos_bench(tasks LIBS task)
  telos_bench(ingest LIBS learner SHARED frames)
  telos_bench(fleet LIBS learner actor SHARED machine)
  telos_bench(scale LIBS learner actor SHARED machine training frames)
  set_tests_properties(bench.scale PROPERTIES TIMEOUT 1800)  # more cells with more cores
  telos_bench(publish LIBS learner actor)
  telos_bench(gemm LIBS learner)
  telos_bench(rate LIBS learner SHARED training)
  if(MPIRUN AND TELOS_MPI AND OMPI_FOUND)
    telos_bench(ranks LIBS learner LINK_OPTIONS
      -Wl,--wrap=ranks_send,--wrap=ranks_receive,--wrap=ranks_broadcast
      LAUNCH ${CMAKE_COMMAND} -E env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        ${MPIRUN} --oversubscribe --bind-to none --mca plm isolated -n 2)
  endif()
endif()
