using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Queue.Data.Migrations.PostgreSql
{
    /// <inheritdoc />
    public partial class GapsMarksAndUnusedEntries : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "OfferedAt",
                table: "QueueTokens",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Gaps",
                table: "QueueCounters",
                type: "character varying(4000)",
                maxLength: 4000,
                nullable: true);

            migrationBuilder.CreateTable(
                name: "QueueMarks",
                columns: table => new
                {
                    Name = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    At = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueMarks", x => x.Name);
                });

            migrationBuilder.CreateIndex(
                name: "IX_QueueTokens_Unused",
                table: "QueueTokens",
                columns: new[] { "UserId", "ConcertId" },
                filter: "\"Status\" IN ('Left', 'Expired')");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "QueueMarks");

            migrationBuilder.DropIndex(
                name: "IX_QueueTokens_Unused",
                table: "QueueTokens");

            migrationBuilder.DropColumn(
                name: "OfferedAt",
                table: "QueueTokens");

            migrationBuilder.DropColumn(
                name: "Gaps",
                table: "QueueCounters");
        }
    }
}
