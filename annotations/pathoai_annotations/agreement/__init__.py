"""How far readers agree, with each other and with a model, on slides and on regions."""
