"""The colours of pictures of nets."""

INK, SOFT, PALE = "#263238", "#607d8b", "#90a4ae"
COLOURS = {  # of families: what fills the box, and the line around it
    "data": ("#eceff1", "#78909c"),
    "conv": ("#e3f2fd", "#1e88e5"),
    "pool": ("#e0f2f1", "#26a69a"),
    "dense": ("#ede7f6", "#7e57c2"),
    "recurrent": ("#fff3e0", "#fb8c00"),
    "norm": ("#fffde7", "#fbc02d"),
    "neuron": ("#f1f8e9", "#7cb342"),
    "shape": ("#efebe9", "#8d6e63"),
    "loss": ("#ffebee", "#e53935"),
    "other": ("#fafafa", "#757575"),
}
