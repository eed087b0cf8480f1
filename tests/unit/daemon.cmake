add_unit_test(config config)
add_unit_test(config_paths config)
