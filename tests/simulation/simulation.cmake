# The seeded simulator of the pure core.  Its own object files define index_*, so the linker never takes LMDB's index out
# of the store library.
add_executable(simulation
	simulation/expect.c
	simulation/failure.c
	simulation/file_system.c
	simulation/generate.c
	simulation/hashes.c
	simulation/main.c
	simulation/memory_index.c
	simulation/names.c
	simulation/operate.c
	simulation/oracle.c
	simulation/script.c
	simulation/shrink.c
	simulation/truth.c
	simulation/watcher.c
	simulation/world.c)
target_link_libraries(simulation PRIVATE sync_core store watcher wakeline_flags)
add_test(NAME simulation COMMAND simulation)
add_test(NAME simulation/scripts COMMAND simulation --scripts ${CMAKE_CURRENT_SOURCE_DIR}/simulation/scripts)
