#@script (description="Subtracts the background with a rolling ball.")
#@ Dataset (label="Image") image
#@ Double (label="Radius of the ball in pixels", value=50, min=1) radius
#@ Boolean (label="Bright background", value=false) bright
options = "rolling=" + radius + " stack";
if (bright) options = options + " light";
run("Subtract Background...", options);
