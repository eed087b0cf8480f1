# The programs of the random tests: what a script says, done to a drive.
add_executable(generator_perform generator/perform.c)
target_link_libraries(generator_perform PRIVATE wakeline_flags)
