# The programs of tests/bench/latency, burst, barrier, detect and scale.
add_library(bench_common STATIC ${CMAKE_CURRENT_LIST_DIR}/sample.c ${CMAKE_CURRENT_LIST_DIR}/ws.c)
target_link_libraries(bench_common PUBLIC wakeline_flags)

function(add_bench name)
	add_executable(bench_${name} bench/${name}.c)
	target_link_libraries(bench_${name} PRIVATE bench_common ${ARGN})
endfunction()

add_bench(latency)
add_bench(commit PkgConfig::LMDB)
add_bench(create)
add_bench(follow)
add_bench(mark)
add_bench(barrier)
add_bench(pace)
add_bench(paths)
add_bench(tree)
add_bench(walk)
