"""Ready-made scenarios, as YAML files; `fake_openai.scenario.load_named` reads them."""
