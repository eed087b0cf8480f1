# tests/bench/fanout_smoke: what the network side delivers, without the engine.  Not a test: it prints figures.
add_executable(fanout_smoke bench/fanout_smoke.c)
target_link_libraries(fanout_smoke PRIVATE net store PkgConfig::LIBUV Threads::Threads wakeline_flags)
