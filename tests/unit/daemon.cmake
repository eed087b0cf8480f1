add_unit_test(config config sync_core)
add_unit_test(config_paths config)
add_unit_test(log_times log_times)
