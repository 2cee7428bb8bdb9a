using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Queue.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "QueueCounters",
                columns: table => new
                {
                    ConcertId = table.Column<int>(type: "INTEGER", nullable: false),
                    SaleOpensAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    SaleClosesAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    NextNumber = table.Column<long>(type: "INTEGER", nullable: false),
                    Serving = table.Column<long>(type: "INTEGER", nullable: false),
                    Sequence = table.Column<long>(type: "INTEGER", nullable: false),
                    NextTickAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    Rate = table.Column<double>(type: "REAL", nullable: true),
                    RatedAt = table.Column<DateTime>(type: "TEXT", nullable: true),
                    ChangedAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    Paused = table.Column<bool>(type: "INTEGER", nullable: false),
                    Capacity = table.Column<int>(type: "INTEGER", nullable: true),
                    BatchSize = table.Column<int>(type: "INTEGER", nullable: true),
                    Interval = table.Column<TimeSpan>(type: "TEXT", nullable: true),
                    ClaimWindow = table.Column<TimeSpan>(type: "TEXT", nullable: true),
                    PassLifetime = table.Column<TimeSpan>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueCounters", x => x.ConcertId);
                });

            migrationBuilder.CreateTable(
                name: "QueueKeys",
                columns: table => new
                {
                    Kid = table.Column<string>(type: "TEXT", maxLength: 64, nullable: false),
                    Kind = table.Column<string>(type: "TEXT", maxLength: 16, nullable: false),
                    Key = table.Column<byte[]>(type: "BLOB", maxLength: 512, nullable: false),
                    CreatedAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    SignsFrom = table.Column<DateTime>(type: "TEXT", nullable: false),
                    SignsUntil = table.Column<DateTime>(type: "TEXT", nullable: false),
                    ValidUntil = table.Column<DateTime>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueKeys", x => x.Kid);
                });

            migrationBuilder.CreateTable(
                name: "QueueTokens",
                columns: table => new
                {
                    TokenId = table.Column<Guid>(type: "TEXT", nullable: false),
                    ConcertId = table.Column<int>(type: "INTEGER", nullable: false),
                    UserId = table.Column<string>(type: "TEXT", maxLength: 200, nullable: false),
                    Number = table.Column<long>(type: "INTEGER", nullable: false),
                    Status = table.Column<string>(type: "TEXT", maxLength: 16, nullable: false),
                    IssuedAt = table.Column<DateTime>(type: "TEXT", nullable: false),
                    ClaimUntil = table.Column<DateTime>(type: "TEXT", nullable: true),
                    ClaimedAt = table.Column<DateTime>(type: "TEXT", nullable: true),
                    BookUntil = table.Column<DateTime>(type: "TEXT", nullable: true),
                    SlotUntil = table.Column<DateTime>(type: "TEXT", nullable: true),
                    Exp = table.Column<DateTime>(type: "TEXT", nullable: false),
                    RevokedSequence = table.Column<long>(type: "INTEGER", nullable: true),
                    CompletedAt = table.Column<DateTime>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueTokens", x => x.TokenId);
                });

            migrationBuilder.CreateIndex(
                name: "IX_QueueKeys_Kind_SignsFrom",
                table: "QueueKeys",
                columns: new[] { "Kind", "SignsFrom" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_QueueTokens_ConcertId_Number",
                table: "QueueTokens",
                columns: new[] { "ConcertId", "Number" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_QueueTokens_ConcertId_SlotUntil",
                table: "QueueTokens",
                columns: new[] { "ConcertId", "SlotUntil" },
                filter: "\"SlotUntil\" IS NOT NULL");

            migrationBuilder.CreateIndex(
                name: "IX_QueueTokens_UserId_ConcertId",
                table: "QueueTokens",
                columns: new[] { "UserId", "ConcertId" },
                unique: true,
                filter: "\"Status\" IN ('Waiting', 'Offered', 'Active')");

            migrationBuilder.CreateIndex(
                name: "IX_QueueTokens_Exp",
                table: "QueueTokens",
                column: "Exp",
                filter: "\"RevokedSequence\" IS NOT NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "QueueCounters");

            migrationBuilder.DropTable(
                name: "QueueKeys");

            migrationBuilder.DropTable(
                name: "QueueTokens");
        }
    }
}
