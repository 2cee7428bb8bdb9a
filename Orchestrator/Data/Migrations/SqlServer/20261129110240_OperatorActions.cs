using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class OperatorActions : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "OperatorActions",
                columns: table => new
                {
                    ActionId = table.Column<Guid>(type: "uniqueidentifier", nullable: false),
                    At = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    Operator = table.Column<string>(type: "nvarchar(200)", maxLength: 200, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Action = table.Column<string>(type: "nvarchar(64)", maxLength: 64, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Target = table.Column<string>(type: "nvarchar(200)", maxLength: 200, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Reason = table.Column<string>(type: "nvarchar(500)", maxLength: 500, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Before = table.Column<string>(type: "nvarchar(2000)", maxLength: 2000, nullable: true, collation: "Latin1_General_100_BIN2"),
                    After = table.Column<string>(type: "nvarchar(2000)", maxLength: 2000, nullable: true, collation: "Latin1_General_100_BIN2"),
                    Refusal = table.Column<string>(type: "nvarchar(64)", maxLength: 64, nullable: true, collation: "Latin1_General_100_BIN2")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_OperatorActions", x => x.ActionId);
                });

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_ConcertId_CreatedAt",
                table: "Reservations",
                columns: new[] { "ConcertId", "CreatedAt" },
                filter: "\"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_CreatedAt_ReservationId",
                table: "Reservations",
                columns: new[] { "CreatedAt", "ReservationId" },
                filter: "\"Deadline\" IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_CurrentState_CreatedAt_ReservationId",
                table: "Reservations",
                columns: new[] { "CurrentState", "CreatedAt", "ReservationId" },
                filter: "\"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_FailureCode_CreatedAt",
                table: "Reservations",
                columns: new[] { "FailureCode", "CreatedAt" },
                filter: "\"FailureCode\" IS NOT NULL AND \"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_ScheduleId_CreatedAt",
                table: "Reservations",
                columns: new[] { "ScheduleId", "CreatedAt" },
                filter: "\"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_At_ActionId",
                table: "OperatorActions",
                columns: new[] { "At", "ActionId" });

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_Target_At",
                table: "OperatorActions",
                columns: new[] { "Target", "At" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "OperatorActions");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_ConcertId_CreatedAt",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_CreatedAt_ReservationId",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_CurrentState_CreatedAt_ReservationId",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_FailureCode_CreatedAt",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_ScheduleId_CreatedAt",
                table: "Reservations");
        }
    }
}
