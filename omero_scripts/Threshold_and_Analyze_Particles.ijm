#@script (description="Finds particles by an automatic threshold: a table and ROIs.")
#@ Dataset (label="Image") image
#@ String (label="Threshold", choices={"Otsu", "Default", "Huang", "Li", "MaxEntropy", "Triangle", "Yen"}, value="Otsu") method
#@ Boolean (label="Particles are darker than the background", value=false) dark_particles
#@ Double (label="Smallest area in pixels", value=10, min=0) smallest
#@output Integer particles
if (bitDepth() == 24) run("8-bit");
background = " dark";
if (dark_particles) background = "";
setAutoThreshold(method + background);
setOption("BlackBackground", true);
run("Set Measurements...", "area mean centroid shape redirect=None decimal=3");
run("Analyze Particles...", "size=" + smallest + "-Infinity pixel display clear add");
particles = nResults;
