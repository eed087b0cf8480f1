include_guard()
# Not a test: `store_bench [DIRECTORY]` prints what the store can do on the file system of that directory.
add_executable(store_bench bench/store_bench.c)
target_link_libraries(store_bench PRIVATE store wakeline_flags)
