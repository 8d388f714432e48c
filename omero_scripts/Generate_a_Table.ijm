#@script (description="Attaches a table of random numbers to an image, to try tables.")
#@ Dataset (label="Image") image
#@ Integer (label="Rows", value=10, min=1, max=100000) rows
for (row = 0; row < rows; row++) {
  setResult("Row", row, row + 1);
  setResult("Value", row, random);
}
updateResults();
