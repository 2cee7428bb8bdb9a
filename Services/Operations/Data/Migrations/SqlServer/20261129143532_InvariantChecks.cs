using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

#pragma warning disable CA1814 // Prefer jagged arrays over multidimensional

namespace ConcertSaga.Operations.Data.Migrations.SqlServer
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
                    Invariant = table.Column<string>(type: "nvarchar(32)", maxLength: 32, nullable: false),
                    RequestedAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: true),
                    StartedAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: true),
                    RunId = table.Column<Guid>(type: "uniqueidentifier", nullable: true),
                    Source = table.Column<int>(type: "int", nullable: false),
                    Cursor = table.Column<string>(type: "nvarchar(500)", maxLength: 500, nullable: true, collation: "Latin1_General_100_BIN2"),
                    RowsSoFar = table.Column<long>(type: "bigint", nullable: false),
                    CheckedAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: true),
                    RowsChecked = table.Column<long>(type: "bigint", nullable: false),
                    LeaseId = table.Column<Guid>(type: "uniqueidentifier", nullable: true),
                    LeasedUntil = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_InvariantChecks", x => x.Invariant);
                });

            migrationBuilder.CreateTable(
                name: "InvariantFindings",
                columns: table => new
                {
                    Invariant = table.Column<string>(type: "nvarchar(32)", maxLength: 32, nullable: false),
                    Subject = table.Column<string>(type: "nvarchar(300)", maxLength: 300, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Detail = table.Column<string>(type: "nvarchar(1000)", maxLength: 1000, nullable: false, collation: "Latin1_General_100_BIN2"),
                    FoundAt = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    RunId = table.Column<Guid>(type: "uniqueidentifier", nullable: false)
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
