add_executable(wakelined check_drive.c index_difference.c main.c privileges.c store_guard.c)
target_link_libraries(wakelined PRIVATE config log_times net sync store watcher wakeline_flags PkgConfig::LIBUV PkgConfig::LIBCAP)
install(TARGETS wakelined RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
