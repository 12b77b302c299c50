kubectl patch service hello --type merge -p '{"spec":{"selector":{"app":"hello"}}}'
