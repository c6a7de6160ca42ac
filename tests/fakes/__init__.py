"""Light stand-ins behind the ports; the contract suites hold each against the real thing."""
