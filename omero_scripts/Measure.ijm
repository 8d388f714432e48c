#@script (description="Measures area, mean, spread, least and greatest value of the first plane.")
#@ Dataset (label="Image") image
#@output Double mean
run("Set Measurements...", "area mean standard min redirect=None decimal=6");
run("Measure");
mean = getResult("Mean", 0);
