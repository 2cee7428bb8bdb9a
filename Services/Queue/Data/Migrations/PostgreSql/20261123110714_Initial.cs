using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Queue.Data.Migrations.PostgreSql
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
                    ConcertId = table.Column<int>(type: "integer", nullable: false),
                    SaleOpensAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    SaleClosesAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    NextNumber = table.Column<long>(type: "bigint", nullable: false),
                    Serving = table.Column<long>(type: "bigint", nullable: false),
                    Sequence = table.Column<long>(type: "bigint", nullable: false),
                    NextTickAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    Rate = table.Column<double>(type: "double precision", nullable: true),
                    RatedAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    ChangedAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    Paused = table.Column<bool>(type: "boolean", nullable: false),
                    Capacity = table.Column<int>(type: "integer", nullable: true),
                    BatchSize = table.Column<int>(type: "integer", nullable: true),
                    Interval = table.Column<TimeSpan>(type: "interval", nullable: true),
                    ClaimWindow = table.Column<TimeSpan>(type: "interval", nullable: true),
                    PassLifetime = table.Column<TimeSpan>(type: "interval", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueCounters", x => x.ConcertId);
                });

            migrationBuilder.CreateTable(
                name: "QueueKeys",
                columns: table => new
                {
                    Kid = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    Kind = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: false),
                    Key = table.Column<byte[]>(type: "bytea", maxLength: 512, nullable: false),
                    CreatedAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    SignsFrom = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    SignsUntil = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    ValidUntil = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueKeys", x => x.Kid);
                });

            migrationBuilder.CreateTable(
                name: "QueueTokens",
                columns: table => new
                {
                    TokenId = table.Column<Guid>(type: "uuid", nullable: false),
                    ConcertId = table.Column<int>(type: "integer", nullable: false),
                    UserId = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    Number = table.Column<long>(type: "bigint", nullable: false),
                    Status = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: false),
                    IssuedAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    ClaimUntil = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    ClaimedAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    BookUntil = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    SlotUntil = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    Exp = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    RevokedSequence = table.Column<long>(type: "bigint", nullable: true),
                    CompletedAt = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
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
