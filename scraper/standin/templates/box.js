"use strict";
// Enter searches; the box is a textarea, as on the site that this one stands in for.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.id === "APjFqb") {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
