#@script (description="Multiplies every pixel by a constant.")
#@ Dataset (label="Image") image
#@ Double (label="Factor", value=2) factor
run("Multiply...", "value=" + factor + " stack");
