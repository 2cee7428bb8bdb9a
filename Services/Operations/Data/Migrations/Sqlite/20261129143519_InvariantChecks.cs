using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

#pragma warning disable CA1814 // Prefer jagged arrays over multidimensional

namespace ConcertSaga.Operations.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class InvariantChecks : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "InvariantChecks",
                columns: table => new
                {
                    Invariant = table.Column<string>(type: "TEXT", maxLength: 32, nullable: false),
                    RequestedAt = table.Column<DateTime>(type: "TEXT", nullable: true),
                    StartedAt = table.Column<DateTime>(type: "TEXT", nullable: true),
                    RunId = table.Column<Guid>(type: "TEXT", nullable: true),
                    Source = table.Column<int>(type: "INTEGER", nullable: false),
                    Cursor = table.Column<string>(type: "TEXT", maxLength: 500, nullable: true),
                    RowsSoFar = table.Column<long>(type: "INTEGER", nullable: false),
                    CheckedAt = table.Column<DateTime>(type: "TEXT", nullable: true),
                    RowsChecked = table.Column<long>(type: "INTEGER", nullable: false),
                    LeaseId = table.Column<Guid>(type: "TEXT", nullable: true),
                    LeasedUntil = table.Column<DateTime>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_InvariantChecks", x => x.Invariant);
                });

            migrationBuilder.CreateTable(
                name: "InvariantFindings",
                columns: table => new
                {
                    Invariant = table.Column<string>(type: "TEXT", maxLength: 32, nullable: false),
                    Subject = table.Column<string>(type: "TEXT", maxLength: 300, nullable: false),
                    Detail = table.Column<string>(type: "TEXT", maxLength: 1000, nullable: false),
                    FoundAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    RunId = table.Column<Guid>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_InvariantFindings", x => new { x.Invariant, x.Subject });
                });

            migrationBuilder.InsertData(
                table: "InvariantChecks",
                columns: new[] { "Invariant", "CheckedAt", "Cursor", "LeaseId", "LeasedUntil", "RequestedAt", "RowsChecked", "RowsSoFar", "RunId", "Source", "StartedAt" },
                values: new object[,]
                {
                    { "BalanceEqualsLedger", null, null, null, null, null, 0L, 0L, null, 0, null },
                    { "DeadlinesKept", null, null, null, null, null, 0L, 0L, null, 0, null },
                    { "DebitsMatchOutcomes", null, null, null, null, null, 0L, 0L, null, 0, null },
                    { "HoldsHaveReservations", null, null, null, null, null, 0L, 0L, null, 0, null },
                    { "OutcomesDelivered", null, null, null, null, null, 0L, 0L, null, 0, null },
                    { "SeatsSoldOnce", null, null, null, null, null, 0L, 0L, null, 0, null }
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "InvariantChecks");

            migrationBuilder.DropTable(
                name: "InvariantFindings");
        }
    }
}
