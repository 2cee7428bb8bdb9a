using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Queue.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class GapsMarksAndUnusedEntries : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTime>(
                name: "OfferedAt",
                table: "QueueTokens",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Gaps",
                table: "QueueCounters",
                type: "TEXT",
                maxLength: 4000,
                nullable: true);

            migrationBuilder.CreateTable(
                name: "QueueMarks",
                columns: table => new
                {
                    Name = table.Column<string>(type: "TEXT", maxLength: 64, nullable: false),
                    At = table.Column<DateTime>(type: "TEXT", nullable: false)
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
