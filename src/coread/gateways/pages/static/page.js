// Every page: local times, menus that close, the overlay of keys.
import "./times.js";
