"""Configuration: a TOML file and the environment become typed settings, or a list of everything that is wrong.

`load` is the way in. Files: `positions` and `document` read TOML, `tables` finds the components, `interpolate` and
`environment` put outside values in, `settings` has the models, `messages` and `edges` say what is wrong, `problems`
how it is told, `provenance` where each value came from, `registry` which components there are.
"""
