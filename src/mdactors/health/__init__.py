"""Whether all is well: looked at by somebody who waits for nobody."""
