# The programs of the random tests: what a script says, done to a drive.
add_executable(generator_perform generator/perform.c)
target_link_libraries(generator_perform PRIVATE wakeline_flags)
add_executable(generator_limited_queue generator/limited_queue.c)
target_link_libraries(generator_limited_queue PRIVATE wakeline_flags)
