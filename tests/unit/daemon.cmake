add_unit_test(config config sync_core)
add_unit_test(config_paths config)
