"""What the tests on real parts share: the operator as a process, a faulty proxy, and a tenant of their own."""
