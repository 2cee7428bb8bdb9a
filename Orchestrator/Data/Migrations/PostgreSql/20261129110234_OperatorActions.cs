using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.PostgreSql
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
                    ActionId = table.Column<Guid>(type: "uuid", nullable: false),
                    At = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    Operator = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    Action = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    Target = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    Reason = table.Column<string>(type: "character varying(500)", maxLength: 500, nullable: false),
                    Before = table.Column<string>(type: "character varying(2000)", maxLength: 2000, nullable: true),
                    After = table.Column<string>(type: "character varying(2000)", maxLength: 2000, nullable: true),
                    Refusal = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: true)
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
