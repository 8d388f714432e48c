#@script (description="Adds a constant to every pixel.")
#@ Dataset (label="Image") image
#@ Double (label="Constant", value=10) constant
run("Add...", "value=" + constant + " stack");
