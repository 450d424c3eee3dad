import { REST_ROUTES } from '../compat/rest-routes.js';
import { HttpRoutes } from '../http/http-route.js';
import { HTTP_JSON_ROUTES } from './httpjson-routes.js';

/** The routes of 1.0 and of 0.3, each below every base. */
export const SERVED_ROUTES = new HttpRoutes([...HTTP_JSON_ROUTES, ...REST_ROUTES]);
