import type { Entity } from "../../domain/entity.ts";
import { asset } from "./asset.ts";
import { assetEvent, dagRunAssetEvent } from "./asset-event.ts";
import { backfill, backfillDagRun } from "./backfill.ts";
import { connection } from "./connection.ts";
import { dag } from "./dag.ts";
import { dagBundle, dagBundleTeam } from "./dag-bundle.ts";
import { dagFavorite } from "./dag-favorite.ts";
import { dagRun } from "./dag-run.ts";
import { hitlDetail, hitlDetailHistory } from "./hitl.ts";
import { log } from "./log.ts";
import { logTemplate } from "./log-template.ts";
import { dagRunNote, taskInstanceNote } from "./notes.ts";
import { permission, permissionAction, permissionResource, rolePermission } from "./permissions.ts";
import { renderedFields } from "./rendered-fields.ts";
import { slaMiss } from "./sla-miss.ts";
import { slotPool } from "./slot-pool.ts";
import { assetStateStore, taskStateStore } from "./state-stores.ts";
import { taskFail } from "./task-fail.ts";
import { taskInstance } from "./task-instance.ts";
import { taskInstanceHistory } from "./task-instance-history.ts";
import { taskMap } from "./task-map.ts";
import { taskReschedule } from "./task-reschedule.ts";
import { team } from "./team.ts";
import { role, user, userGroup, userGroupMember, userGroupRole, userRole } from "./users.ts";
import { variable } from "./variable.ts";
import { xcom } from "./xcom.ts";

/** Every entity, in an order in which each comes after those it needs. */
export const entities: readonly Entity[] = [
  team,
  connection,
  variable,
  slotPool,
  user,
  role,
  userRole,
  userGroup,
  userGroupMember,
  userGroupRole,
  permissionAction,
  permissionResource,
  permission,
  rolePermission,
  logTemplate,
  dag,
  dagBundle,
  dagBundleTeam,
  dagFavorite,
  asset,
  assetEvent,
  backfill,
  dagRun,
  dagRunNote,
  backfillDagRun,
  dagRunAssetEvent,
  taskInstance,
  taskInstanceHistory,
  taskInstanceNote,
  taskReschedule,
  hitlDetail,
  hitlDetailHistory,
  taskMap,
  xcom,
  renderedFields,
  taskFail,
  slaMiss,
  taskStateStore,
  assetStateStore,
  log,
];
