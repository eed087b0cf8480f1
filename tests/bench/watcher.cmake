include_guard()
# Not a test: `crawl_bench [DIRECTORY [FILES]]` prints what a watcher process costs on the file system of that directory.
add_executable(crawl_bench ${CMAKE_CURRENT_LIST_DIR}/crawl_bench.c)
target_link_libraries(crawl_bench PRIVATE watcher wakeline_flags)
