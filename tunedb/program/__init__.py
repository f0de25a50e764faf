"""What a TVM module's JSON graph says, read without TVM: its graph, its signature and a name for people."""
