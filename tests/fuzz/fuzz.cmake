# libFuzzer targets: every parser of bytes from outside.  add_fuzz_target(frame net) builds tests/fuzz/frame_fuzz.c; its
# corpus is tests/fuzz/corpus/frame.
function(add_fuzz_target name)
	add_executable(${name}_fuzz fuzz/${name}_fuzz.c)
	target_link_libraries(${name}_fuzz PRIVATE ${ARGN} wakeline_flags)
	target_compile_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
	target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
endfunction()

add_fuzz_target(config config sync_core)
add_fuzz_target(feed client)
add_fuzz_target(frame net)
add_fuzz_target(helper_message watcher)
add_fuzz_target(observation watcher)
add_fuzz_target(rules sync_core)
add_fuzz_target(text store PkgConfig::JANSSON)
