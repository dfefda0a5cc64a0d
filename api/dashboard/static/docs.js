// Swagger UI on this API's own description; nothing is asked of any other server.
"use strict";

window.ui = window.SwaggerUIBundle({
  url: document.body.dataset.specification,
  dom_id: "#swagger-ui",
  presets: [window.SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  docExpansion: "list",
  displayRequestDuration: true,
});
