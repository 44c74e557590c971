"""How the starter was made: compose, render, train, evaluate."""
